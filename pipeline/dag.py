"""The DAGs, whole.

ingest -> vocab -> train --> evaluate
                         |-> visualize     in a process of its own, beside evaluate
                -> controls -^
                -> tag      on request: targets=[tag]

Vectors from elsewhere are scored by the same stage:

ingest -> encode -> vector_controls -> evaluate
vectors -----------------------------^
"""

from pipeline.graph import Stage
from pipeline.stages.controls import controls
from pipeline.stages.encode import encode
from pipeline.stages.evaluate import evaluate
from pipeline.stages.ingest import ingest
from pipeline.stages.tag import tag
from pipeline.stages.train import train
from pipeline.stages.vector_controls import vector_controls
from pipeline.stages.vectors import vectors
from pipeline.stages.visualize import visualize
from pipeline.stages.vocab import vocab

STAGES = (
    Stage(ingest, gives=("corpus",)),
    Stage(vocab, gives=("vocab", "encoded")),
    Stage(train, gives=("embeddings", "history", "snapshots")),
    Stage(controls, gives=("controls",)),
    Stage(evaluate, gives=("metrics", "tables")),
    Stage(visualize, gives=("figures",), beside=True),
    Stage(tag, gives=("tag_metrics", "tag_tables"), on_request=True),
)

# What `evaluate` takes of these decides which of them run.
SCORING = (
    Stage(ingest, gives=("corpus",)),
    Stage(vectors, gives=("vocab", "embeddings")),
    Stage(encode, gives=("encoded",)),
    Stage(vector_controls, gives=("controls",)),
    Stage(evaluate, gives=("metrics", "tables")),
)
