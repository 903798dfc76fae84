"""Lab templates and labs: launch, start, stop, remove, and what hosts report of them."""
