"""Figures of labelled results, the tables behind them, and the report that holds them."""

from neurorec.figures.decoding import decoding_over_time as decoding_over_time
from neurorec.figures.decoding import decoding_over_time_table as decoding_over_time_table
from neurorec.figures.encoding import encoding_over_time as encoding_over_time
from neurorec.figures.encoding import encoding_over_time_table as encoding_over_time_table
from neurorec.figures.generalization import temporal_generalization as temporal_generalization
from neurorec.figures.generalization import (
    temporal_generalization_table as temporal_generalization_table,
)
from neurorec.figures.geometry_of_models import geometry_of_models as geometry_of_models
from neurorec.figures.geometry_of_models import geometry_of_models_table as geometry_of_models_table
from neurorec.figures.geometry_panel import geometry_panel as geometry_panel
from neurorec.figures.geometry_panel import geometry_panel_table as geometry_panel_table
from neurorec.figures.layer_scores import layer_scores as layer_scores
from neurorec.figures.layer_scores import layer_scores_table as layer_scores_table
from neurorec.figures.overview import overview as overview
from neurorec.figures.overview import overview_table as overview_table
from neurorec.figures.rdms import Movie as Movie
from neurorec.figures.rdms import rdm_movie as rdm_movie
from neurorec.figures.rdms import rdm_movie_table as rdm_movie_table
from neurorec.figures.rdms import rdm_strip as rdm_strip
from neurorec.figures.rdms import rdm_strip_table as rdm_strip_table
from neurorec.figures.report import Section as Section
from neurorec.figures.report import write_report as write_report
from neurorec.figures.rsa import rsa_over_time as rsa_over_time
from neurorec.figures.rsa import rsa_over_time_table as rsa_over_time_table
from neurorec.figures.save import save as save
from neurorec.figures.speed_accuracy import speed_accuracy as speed_accuracy
from neurorec.figures.speed_accuracy import speed_accuracy_table as speed_accuracy_table
from neurorec.figures.style import DOUBLE_COLUMN_MM as DOUBLE_COLUMN_MM
from neurorec.figures.style import MODELS as MODELS
from neurorec.figures.style import SINGLE_COLUMN_MM as SINGLE_COLUMN_MM
from neurorec.figures.style import ModelStyle as ModelStyle
from neurorec.figures.style import journal_style as journal_style
from neurorec.figures.style import model_styles as model_styles
from neurorec.figures.style import new_figure as new_figure
from neurorec.figures.time_grid import time_grid as time_grid
from neurorec.figures.time_grid import time_grid_table as time_grid_table
from neurorec.figures.variance import variance_partition as variance_partition
from neurorec.figures.variance import variance_partition_table as variance_partition_table
from neurorec.figures.watermark import watermark as watermark
from neurorec.figures.wiring import wiring as wiring
from neurorec.figures.wiring import wiring_table as wiring_table
