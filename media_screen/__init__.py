"""media-screen: rules on photos and videos before they are posted, and makes the copy that may go out."""

__version__ = "0.1.0"
