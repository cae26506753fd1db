"""What the cluster says of itself, in dumps of ``kubectl get`` or by its API: an ``Inventory``."""

from infer.inventory.cluster import Live, list_cluster
from infer.inventory.read import read_inventory

__all__ = ["Live", "list_cluster", "read_inventory"]
