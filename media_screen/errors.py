"""What can go wrong, and the exit code it earns. Imports nothing of ours.

MediaScreenError
├── SettingsError          the caller must mend something; nothing was screened   exit 2
└── FileError              this one file could not be screened                    exit 3
    ├── UnsupportedMedia   a type, codec or pixel format we cannot examine or rewrite
    ├── CorruptMedia       the bytes do not decode to the end
    ├── LimitExceeded      larger or longer than the settings allow
    ├── SidecarInvalid     what is declared beside it cannot be read
    ├── DetectorFailed     a model is absent, altered, or did not run
    ├── StripFailed        metadata could not be removed for certain
    ├── WriteFailed        the output could not be written whole
    └── VerificationFailed the output was written, examined, and found wanting
"""

EXIT_PASS, EXIT_REDACT, EXIT_SETTINGS, EXIT_ERROR, EXIT_REVIEW, EXIT_BLOCK = range(6)


class MediaScreenError(Exception):
    """Base of all errors raised on purpose."""


class SettingsError(MediaScreenError):
    """A flag, policy, model or folder is wrong; nothing was screened."""


class FileError(MediaScreenError):
    """One file could not be screened; the message says why and what would help."""


class UnsupportedMedia(FileError):
    """A type, codec or pixel format that cannot be examined or rewritten."""


class CorruptMedia(FileError):
    """The bytes do not decode to the end."""


class LimitExceeded(FileError):
    """Larger or longer than the settings allow."""


class SidecarInvalid(FileError):
    """What is declared beside the file, in FILE.media-screen.yaml, cannot be read."""


class DetectorFailed(FileError):
    """A model is absent, altered, or did not run."""


class StripFailed(FileError):
    """Metadata could not be removed for certain."""


class WriteFailed(FileError):
    """The output could not be written whole."""


class VerificationFailed(FileError):
    """The output was written, examined, and found wanting."""
