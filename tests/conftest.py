"""Being here, it lets tests in every folder import the helpers beside it."""
