"""Reads COUNT messages of a topic as a stranger would and prints them; exits with 42 if kafka-python-ng is not there."""
import sys

try:
    from kafka import KafkaConsumer
except ImportError:
    sys.exit(42)

bootstrap, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
consumer = KafkaConsumer(
    topic,
    bootstrap_servers=bootstrap,
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    consumer_timeout_ms=30000,
)
# This client hands out the markers of transactions too, as messages without headers; ours all have some.
for seen, message in enumerate((message for message in consumer if message.headers), start=1):
    headers = {name: value.decode() for name, value in message.headers}
    print(message.partition, message.timestamp, message.key.decode(), headers, message.value.decode())
    if seen == count:
        break
consumer.close()
