"""The calls of the API, one file per service. Those whose repetition is harmless are repeated after retryable errors."""
