"""One pass of a model over stimuli, every unit at every timestep, streamed to a file."""

from neurorec.recording.plan import Plan as Plan
from neurorec.recording.plan import plan as plan
from neurorec.recording.recorder import record as record
from neurorec.recording.store import Recording as Recording
from neurorec.recording.store import open_recording as open_recording
