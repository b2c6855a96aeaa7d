"""Writes the memory snapshots that SnapshotTraceTest reads: python3 snapshots.py, in this folder.

The snapshot has the structure of torch.cuda.memory._snapshot(), which the docstring of that function describes. One file
is what json.dump writes, the others are what pickle.dump and so torch.cuda.memory._dump_snapshot write.
"""

import json
import pickle

FRAMES = [{"filename": "/model/attention.py", "line": 42, "name": "forward"}]
SEGMENT = 0x7F1200000000


def entry(action, address, size):
    return {
        "action": action,
        "addr": address,
        "size": size,
        "stream": 0,
        "time_us": 1764200000000000,
        "frames": FRAMES,
    }


def block(address, size, requested, state):
    return {"address": address, "size": size, "requested_size": requested, "state": state, "frames": FRAMES}


SNAPSHOT = {
    "segments": [
        {
            "device": 1,
            "address": SEGMENT,
            "total_size": 2097152,
            "allocated_size": 512,
            "active_size": 512,
            "requested_size": 300,
            "stream": 0,
            "segment_type": "small",
            "segment_pool_id": (0, 0),
            "is_expandable": False,
            "frames": FRAMES,
            "blocks": [
                block(SEGMENT, 512, 300, "active_allocated"),
                block(SEGMENT + 512, 2096640, 2000, "inactive"),
            ],
        }
    ],
    "device_traces": [
        [],
        [
            entry("segment_alloc", SEGMENT, 2097152),
            entry("alloc", SEGMENT, 1000),
            entry("alloc", SEGMENT + 1024, 2000),
            entry("free_requested", SEGMENT, 1000),
            entry("free_completed", SEGMENT, 1000),
            {"action": "oom", "device_free": 4096, "size": 1 << 40, "stream": 0, "frames": FRAMES},
            entry("alloc", SEGMENT, 300),
            entry("free_requested", SEGMENT + 1024, 2000),
            entry("snapshot", 0, 0),
        ],
    ],
    "allocator_settings": {
        "PYTORCH_CUDA_ALLOC_CONF": "",
        "garbage_collection_threshold": 0.0,
        "max_split_size": -1,
        "expandable_segments": False,
        "roundup_power2_divisions": {"1": 0, "2": 0},
    },
    "external_annotations": [],
}

with open("snapshot.json", "w") as file:
    json.dump(SNAPSHOT, file)
for protocol in (2, 4, 5):
    with open(f"snapshot-{protocol}.pickle", "wb") as file:
        pickle.dump(SNAPSHOT, file, protocol)
