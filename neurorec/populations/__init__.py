"""Populations of units wherever they lie, read in one pass."""

from neurorec.populations.patterns import Patterns as Patterns
from neurorec.populations.patterns import matched as matched
from neurorec.populations.patterns import patterns_of as patterns_of
from neurorec.populations.patterns import rounding_of as rounding_of
from neurorec.populations.reading import Population as Population
from neurorec.populations.reading import StreamedArea as StreamedArea
from neurorec.populations.reading import as_assembly as as_assembly
from neurorec.populations.reading import as_population as as_population
from neurorec.populations.reading import as_populations as as_populations
