"""What every behaviour is made of: what travels, how one is started, what its body does, how it ends."""
