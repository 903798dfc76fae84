"""What people are told: the bell of the top bar and e-mail. Must not know what a notice is about: apps register their kinds."""
