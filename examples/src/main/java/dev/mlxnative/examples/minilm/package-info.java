/**
 * Sentences to embeddings with the model all-MiniLM-L6-v2, on kernels of its own.
 *
 * <p>{@link dev.mlxnative.examples.minilm.MiniLm} is the model. The package uses the public API of the library only.
 */
@NullMarked
package dev.mlxnative.examples.minilm;

import org.jspecify.annotations.NullMarked;
