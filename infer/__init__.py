"""netinfer: observed network flow logs in, least-privilege Kubernetes NetworkPolicies out.

The package is used by its modules: ``infer.netpol`` decides what policies allow, ``infer.generate``
suggests policies, ``infer.cli`` is the ``netinfer`` command. Importing the package itself loads
nothing else, so that the command answers ``--help`` at once.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
"""The version, here and nowhere else; the build reads it from this line."""
