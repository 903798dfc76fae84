"""Labs with a docker socket, images with packages of their own, and what was short where a host refused a lab."""

import portal.labs.models
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('labs', '0002_template_position'),
    ]

    operations = [
        migrations.AddField(
            model_name='lab',
            name='shortage',
            field=models.JSONField(blank=True, default=dict, editable=False, verbose_name='what was short'),
        ),
        migrations.AddField(
            model_name='labtemplate',
            name='has_docker',
            field=models.BooleanField(default=False, help_text="Its owner's docker socket and the docker command are in the lab: what they start counts for their quota.", verbose_name='docker inside'),
        ),
        migrations.AddField(
            model_name='labtemplate',
            name='packages',
            field=models.JSONField(blank=True, default=list, help_text='List of Debian packages beside the usual ones; for Debian by mmdebstrap only.', validators=[portal.labs.models.validate_packages], verbose_name='packages'),
        ),
    ]
