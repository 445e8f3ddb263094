"""The attached screen: a process, and a user, of its own. It draws what the door says and passes on what is touched; it decides nothing."""
