"""Names of the encoder that PIPs, PIPs++ and CoTracker share."""

from __future__ import annotations

RULES = (
    (r"^encoder\.", "fnet."),
    (r"^fnet\.trunk\.stem\.", "fnet.conv1."),
    (r"^fnet\.trunk\.stages\.0\.", "fnet.layer1."),
    (r"^fnet\.trunk\.stages\.1\.", "fnet.layer2."),
    (r"^fnet\.trunk\.stages\.2\.", "fnet.layer3."),
    (r"^fnet\.trunk\.stages\.3\.", "fnet.layer4."),
    (r"^(fnet\..*)\.first\.", r"\1.conv1."),
    (r"^(fnet\..*)\.second\.", r"\1.conv2."),
    (r"^(fnet\..*)\.shortcut\.", r"\1.downsample.0."),
    (r"^fnet\.fuse\.", "fnet.conv2."),
    (r"^fnet\.head\.", "fnet.conv3."),
)
