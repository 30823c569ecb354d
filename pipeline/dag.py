"""The DAG, whole.

ingest -> vocab -> train -> evaluate
                         -> visualize
"""

from pipeline.engine import Stage
from pipeline.stages.evaluate import evaluate
from pipeline.stages.ingest import ingest
from pipeline.stages.train import train
from pipeline.stages.visualize import visualize
from pipeline.stages.vocab import vocab

STAGES = (
    Stage(ingest, gives=("corpus",)),
    Stage(vocab, gives=("vocab", "encoded")),
    Stage(train, gives=("embeddings", "history")),
    Stage(evaluate, gives=("metrics", "tables")),
    Stage(visualize, gives=("figures",)),
)
