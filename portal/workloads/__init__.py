"""Containers, images, volumes and networks as the engine shows them to a person's tenant. Keeps no copy of them."""
