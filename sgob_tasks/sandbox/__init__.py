"""Everything outside the platform, on one machine: for the demo and the tests."""
