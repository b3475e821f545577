"""Recordings and stimuli by name: manifests, verified local files, assemblies, and simulations.

``load("cowley-2023", session="210325")`` takes the source files from the folders named in
``NEUROREC_MIRROR``, from the cache or from the network, and reads them into a
:class:`NeuralData`. ``simulated("cowley-2023")`` makes something of the same shape, and
``from_brainscore("MajajHong2015.public")`` takes what Brain-Score has.
"""

from neurorec.datasets.access import fetch as fetch
from neurorec.datasets.access import load as load
from neurorec.datasets.access import verify as verify
from neurorec.datasets.brainscore_data import from_brainscore as from_brainscore
from neurorec.datasets.download import DamagedError as DamagedError
from neurorec.datasets.download import DataUnavailableError as DataUnavailableError
from neurorec.datasets.fetch import FileStatus as FileStatus
from neurorec.datasets.fetch import where as where
from neurorec.datasets.manifest import Manifest as Manifest
from neurorec.datasets.manifest import ManifestFile as ManifestFile
from neurorec.datasets.manifest import info as info
from neurorec.datasets.manifest import names as names
from neurorec.datasets.neural_data import NeuralData as NeuralData
from neurorec.datasets.population import Population as Population
from neurorec.datasets.readers.netcdf import read_assembly as read_assembly
from neurorec.datasets.simulate import Simulated as Simulated
from neurorec.datasets.simulate import Truth as Truth
from neurorec.datasets.simulate import simulate_population as simulate_population
from neurorec.datasets.simulate_images import synthetic_images as synthetic_images
from neurorec.datasets.simulate_rdms import SimulatedRdms as SimulatedRdms
from neurorec.datasets.simulate_rdms import simulate_rdms as simulate_rdms
from neurorec.datasets.twins import simulated as simulated
