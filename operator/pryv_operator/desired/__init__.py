"""The one pure function: everything known about a platform in, all its objects and what to say about it out."""
