"""The main job in one call: train, record, compare with macaque recordings, report."""

from neurorec.demo.run import run as run
from neurorec.demo.settings import DemoSettings as DemoSettings
