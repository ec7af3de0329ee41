"""`arignote init`: a first config for data, from what its files hold."""
