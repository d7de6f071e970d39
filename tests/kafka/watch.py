"""Prints every message of some topics as it comes, as a stranger would; exits with 42 if kafka-python-ng is not there."""
import sys

try:
    from kafka import KafkaConsumer, TopicPartition
except ImportError:
    sys.exit(42)

bootstrap, *topics = sys.argv[1:]
consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
consumer.assign([TopicPartition(t, p) for t in topics for p in sorted(consumer.partitions_for_topic(t))])
print("ready", flush=True)
for message in consumer:
    # This client hands out the markers of transactions too, as messages without headers; ours all have some.
    if not message.headers:
        continue
    print(message.topic, message.value.decode(), flush=True)
