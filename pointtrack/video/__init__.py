"""Videos: opened lazily and read frame by frame, from whatever holds them."""

from pointtrack.video.reading import LiveVideo, Video, VideoLike, open_finite, open_video
from pointtrack.video.writing import VideoWriter, check_video_suffix, video_writer, write_video

__all__ = [
    "LiveVideo",
    "Video",
    "VideoLike",
    "VideoWriter",
    "check_video_suffix",
    "open_finite",
    "open_video",
    "video_writer",
    "write_video",
]
