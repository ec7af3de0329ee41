"""What a user declares: settings and configs, with the place of every complaint."""
