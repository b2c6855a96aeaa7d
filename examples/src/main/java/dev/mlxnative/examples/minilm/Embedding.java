package dev.mlxnative.examples.minilm;

/**
 * What the model says of a text.
 *
 * @param tokens how many tokens of the text the model has read, with those of its begin and its end; at most
 *     {@link MiniLm#MAX_TOKENS}
 * @param values {@link MiniLm#DIMENSIONS} numbers: a vector of length 1
 */
public record Embedding(String text, int tokens, float[] values) {}
