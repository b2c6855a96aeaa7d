/**
 * What the programs of {@code bench} and {@code examples} have in common: options and exit codes, tables, result files
 * and a progress bar.
 */
@NullMarked
package dev.mlxnative.bench.cli;

import org.jspecify.annotations.NullMarked;
