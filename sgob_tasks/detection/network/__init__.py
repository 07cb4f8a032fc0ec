"""The network itself: ResNet, feature pyramid, proposals, heads, their targets and losses."""
