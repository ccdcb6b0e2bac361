"""Features, defined once and served to training sets, streams and requests without skew."""
