"""What the cluster says of itself: ``kubectl get ... -o json|yaml`` to an ``Inventory``."""

from infer.inventory.read import read_inventory

__all__ = ["read_inventory"]
