@NullMarked
package dev.mlxnative;

import org.jspecify.annotations.NullMarked;
