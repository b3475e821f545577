"""Training models on tasks."""

from neurorec.training.train import Training as Training
from neurorec.training.train import TrainingResult as TrainingResult
from neurorec.training.train import train as train
