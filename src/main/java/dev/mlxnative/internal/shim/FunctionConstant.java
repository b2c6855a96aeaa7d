package dev.mlxnative.internal.shim;

import dev.mlxnative.internal.shim.ffi.mlxshim_h;
import org.jspecify.annotations.Nullable;

/**
 * A value for a constant of a kernel's function.
 *
 * @param name null if the constant is named by its index
 * @param index 0 if there is a name
 * @param bits the value in the first bytes
 */
public record FunctionConstant(@Nullable String name, int index, Type type, long bits)
        implements Comparable<FunctionConstant> {
    /** The type of a constant in the kernel's language. */
    public enum Type {
        BOOL(mlxshim_h.MLXSHIM_TYPE_BOOL()),
        CHAR(mlxshim_h.MLXSHIM_TYPE_CHAR()),
        SHORT(mlxshim_h.MLXSHIM_TYPE_SHORT()),
        USHORT(mlxshim_h.MLXSHIM_TYPE_USHORT()),
        INT(mlxshim_h.MLXSHIM_TYPE_INT()),
        UINT(mlxshim_h.MLXSHIM_TYPE_UINT()),
        LONG(mlxshim_h.MLXSHIM_TYPE_LONG()),
        ULONG(mlxshim_h.MLXSHIM_TYPE_ULONG()),
        FLOAT(mlxshim_h.MLXSHIM_TYPE_FLOAT());

        final int code;

        Type(int code) {
            this.code = code;
        }
    }

    /** Whether both name the same constant. */
    public boolean isSame(FunctionConstant other) {
        return compareTo(other) == 0;
    }

    /** Compares the names alone: first those by index. */
    @Override
    public int compareTo(FunctionConstant other) {
        if (name == null || other.name == null) {
            return name == null && other.name == null ? Integer.compare(index, other.index) : name == null ? -1 : 1;
        }
        return name.compareTo(other.name);
    }
}
