/**
 * The command {@code embed}: sentences to embeddings, and how alike they are.
 *
 * <p>{@link dev.mlxnative.examples.embed.EmbedCommand} is the main class. The package uses the public API of the
 * library, and what the commands of {@code bench} share.
 */
@NullMarked
package dev.mlxnative.examples.embed;

import org.jspecify.annotations.NullMarked;
