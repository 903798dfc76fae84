"""Requests for more than the quota: asked by members, decided by teachers and administrators, granted until a date.

Must not know hosts: what is granted is added to the member's quota by ``teams``, which tells them.
"""
