"""What models are trained on."""

from neurorec.tasks.classification import ClassificationTask as ClassificationTask
from neurorec.tasks.classification import digits as digits
from neurorec.tasks.classification import from_file as from_file
