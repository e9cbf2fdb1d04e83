"""What can go wrong with a model or its data, each with one line that says what to do next.

ModelError
├── WeightsMissing        the artifact or the encoder is not where it should be
├── WeightsCorrupt        a file is cut, altered, of an unknown kind, or not safetensors
├── CanaryFailed          the weights load, but plain sentences come out wrong
├── BadLogits             NaN or infinity came out of the network
├── TextTooLarge          not even one text fits into memory
├── DeviceMissing         the device asked for is not there
├── PackageMissing        an optional package is not installed
├── DataInvalid           a data file is missing, or lacks a column or rows
│   └── LabelsUnknown     a label is not one of ours
├── RecipeInvalid         a training recipe is missing or incomplete
└── ResumeImpossible      an interrupted training cannot be gone on with as asked
"""


class ModelError(Exception):
    """Base of every error of this package for the user. `exit_status`: 1 the work failed, 2 a call or file is wrong."""

    exit_status = 1


class WeightsMissing(ModelError):
    """The artifact or the encoder is not where it should be."""

    exit_status = 2


class WeightsCorrupt(ModelError):
    """A file of the artifact is cut, altered, or of a kind that is never loaded."""

    exit_status = 2


class CanaryFailed(ModelError):
    """The weights load, but plainly negative or positive sentences come out wrong."""


class BadLogits(ModelError):
    """The network answered NaN or infinity."""


class TextTooLarge(ModelError):
    """Not even a single text fits into memory."""


class DeviceMissing(ModelError):
    """The device asked for is not there."""

    exit_status = 2


class PackageMissing(ModelError):
    """An optional package that the work needs is not installed."""

    exit_status = 2


class DataInvalid(ModelError):
    """A data file is missing, or lacks a column or usable rows."""

    exit_status = 2


class LabelsUnknown(DataInvalid):
    """A label in a data file or an artifact is not one the model knows."""


class RecipeInvalid(ModelError):
    """A training recipe is missing or incomplete."""

    exit_status = 2


class ResumeImpossible(ModelError):
    """What an interrupted training left does not fit the one asked for, or is not there."""

    exit_status = 2
