#!/usr/bin/env python3
"""A scorer for Berth that prefers cheap nodes. Copy it, and put your own judgement into score().

A node's price is its label `price`, or what a JSON file says, which is read anew for each call:

    {"node-a": 0.5, "node-b": 3}

    protoc -Iproto --python_out=stubs --grpc_out=stubs \\
        --plugin=protoc-gen-grpc=$(which grpc_python_plugin) berth/v1/types.proto berth/v1/scorer.proto
    PYTHONPATH=stubs plugins/example_scorer/price_scorer.py --listen unix:/run/berth/scorer.sock

On Debian: apt-get install python3-grpcio python3-protobuf protobuf-compiler protobuf-compiler-grpc
"""
import argparse
import concurrent.futures
import json
import pathlib
import sys

import grpc

from berth.v1 import scorer_pb2, scorer_pb2_grpc

BEST = 1 << 20
MOST_SESSIONS = 16
MOST_MESSAGE_BYTES = 4 << 20


class Picture:
    """The nodes as one session has told of them."""

    def __init__(self):
        self.sequence = None  # of the snapshot that this is; None: of none
        self.nodes = {}       # by slot

    def take(self, change):
        for slot in change.emptied_slots:
            self.nodes.pop(slot, None)
        for node in change.nodes:
            known = self.nodes.get(node.slot)
            if not node.HasField("inventory") and known is not None:
                node.inventory.CopyFrom(known.inventory)
            self.nodes[node.slot] = node


class PriceScorer(scorer_pb2_grpc.ScorerServiceServicer):
    def __init__(self, most, prices_path=None):
        self.most = most
        self.prices_path = prices_path
        self.pictures = {}  # by session, the last used last

    def score(self, node, shape, prices):
        """From 0 to 2^20. `shape.needs` says what the tasks ask for; price does not depend on it."""
        price = prices.get(node.inventory.name, node.inventory.labels.get("price"))
        try:
            price = float(price)
        except (TypeError, ValueError):
            return 0  # nobody knows what it costs
        return round(BEST * (1 - min(max(price, 0), self.most) / self.most))

    def picture_for(self, snapshot, context):
        picture = self.pictures.pop(snapshot.session, None) or Picture()
        if not snapshot.HasField("base_sequence"):
            picture = Picture()
        elif picture.sequence != snapshot.base_sequence:
            # This process was started anew, or a call broke off: berthd sends all nodes then.
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "that snapshot is not known here")
        picture.sequence = None  # until all of the change is in
        self.pictures[snapshot.session] = picture
        while len(self.pictures) > MOST_SESSIONS:
            self.pictures.pop(next(iter(self.pictures)))
        return picture

    def Score(self, requests, context):
        snapshot, picture, shapes = None, None, []
        for request in requests:
            part = request.WhichOneof("part")
            if part == "snapshot":
                snapshot = request.snapshot
                picture = self.picture_for(snapshot, context)
            elif part == "nodes":
                picture.take(request.nodes)
            elif part == "shapes":
                shapes.extend(request.shapes.shapes)
        picture.sequence = snapshot.sequence

        prices = json.loads(self.prices_path.read_text()) if self.prices_path else {}
        yield scorer_pb2.ScoreResponse(accepted=scorer_pb2.ScorerAccepted(
            sequence=snapshot.sequence, epoch=snapshot.epoch))
        for shape in shapes:
            scores = [0] * snapshot.slots
            for slot, node in picture.nodes.items():
                scores[slot] = self.score(node, shape, prices)
            yield scorer_pb2.ScoreResponse(
                column=scorer_pb2.ScoreColumn(shape=shape.id, scores=scores))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listen", default="unix:/run/berth/scorer.sock",
                        help="unix:/PATH or 127.0.0.1:PORT")
    parser.add_argument("--prices", type=pathlib.Path, metavar="FILE",
                        help="JSON: prices by node (default: the label price)")
    parser.add_argument("--most", type=float, default=10,
                        help="a price from which on a node scores 0 (default: 10)")
    arguments = parser.parse_args()

    # One worker: calls come one after another, so that pictures need no locks.
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(max_workers=1),
        options=[("grpc.max_receive_message_length", MOST_MESSAGE_BYTES),
                 ("grpc.max_send_message_length", MOST_MESSAGE_BYTES)])
    scorer_pb2_grpc.add_ScorerServiceServicer_to_server(
        PriceScorer(arguments.most, arguments.prices), server)
    if server.add_insecure_port(arguments.listen) == 0:
        sys.exit(f"price_scorer: cannot listen on {arguments.listen}")
    server.start()
    print(f"listening on {arguments.listen}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
