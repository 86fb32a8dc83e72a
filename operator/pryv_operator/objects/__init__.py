"""Components become Kubernetes objects. Nothing here talks to the API server."""
