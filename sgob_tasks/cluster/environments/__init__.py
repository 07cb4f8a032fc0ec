"""Python environments on the cluster: gathered here, installed and tried there without internet, then switched to."""
