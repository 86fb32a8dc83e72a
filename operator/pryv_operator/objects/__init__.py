"""Services, files and spec become Kubernetes objects. Knows nothing of the API server."""
