package dev.mlxnative;

import dev.mlxnative.internal.shim.FunctionConstant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Values for the {@code [[function_constant(n)]]} of a kernel, by which one source becomes many kernels. A value has
 * the type of its constant: {@code bool}, {@code int}, {@code long}, {@code float}, {@code short} or {@code char}, and
 * the unsigned ones by {@link #withUnsigned}. Immutable: each method returns other values. Equal if all values are.
 */
public final class MlxFunctionConstants {
    private static final MlxFunctionConstants NONE = new MlxFunctionConstants(List.of());

    private final List<FunctionConstant> values;

    private MlxFunctionConstants(List<FunctionConstant> values) {
        this.values = values;
    }

    /** No values. */
    public static MlxFunctionConstants of() {
        return NONE;
    }

    /** Sets a {@code bool} by the index of the constant. */
    public MlxFunctionConstants with(int index, boolean value) {
        return with(null, index, FunctionConstant.Type.BOOL, value ? 1 : 0);
    }

    /** Sets an {@code int} by the index of the constant. */
    public MlxFunctionConstants with(int index, int value) {
        return with(null, index, FunctionConstant.Type.INT, value);
    }

    /** Sets a {@code long} by the index of the constant. */
    public MlxFunctionConstants with(int index, long value) {
        return with(null, index, FunctionConstant.Type.LONG, value);
    }

    /** Sets a {@code float} by the index of the constant. */
    public MlxFunctionConstants with(int index, float value) {
        return with(null, index, FunctionConstant.Type.FLOAT, Float.floatToRawIntBits(value));
    }

    /** Sets a {@code short} by the index of the constant. */
    public MlxFunctionConstants with(int index, short value) {
        return with(null, index, FunctionConstant.Type.SHORT, value);
    }

    /** Sets a {@code char} by the index of the constant. */
    public MlxFunctionConstants with(int index, byte value) {
        return with(null, index, FunctionConstant.Type.CHAR, value);
    }

    /** Sets a {@code bool} by the name of the constant. */
    public MlxFunctionConstants with(String name, boolean value) {
        return with(name, 0, FunctionConstant.Type.BOOL, value ? 1 : 0);
    }

    /** Sets an {@code int} by the name of the constant. */
    public MlxFunctionConstants with(String name, int value) {
        return with(name, 0, FunctionConstant.Type.INT, value);
    }

    /** Sets a {@code long} by the name of the constant. */
    public MlxFunctionConstants with(String name, long value) {
        return with(name, 0, FunctionConstant.Type.LONG, value);
    }

    /** Sets a {@code float} by the name of the constant. */
    public MlxFunctionConstants with(String name, float value) {
        return with(name, 0, FunctionConstant.Type.FLOAT, Float.floatToRawIntBits(value));
    }

    /** Sets a {@code short} by the name of the constant. */
    public MlxFunctionConstants with(String name, short value) {
        return with(name, 0, FunctionConstant.Type.SHORT, value);
    }

    /** Sets a {@code char} by the name of the constant. */
    public MlxFunctionConstants with(String name, byte value) {
        return with(name, 0, FunctionConstant.Type.CHAR, value);
    }

    /** Sets a {@code uint} by the index of the constant; the value has its bits. */
    public MlxFunctionConstants withUnsigned(int index, int value) {
        return with(null, index, FunctionConstant.Type.UINT, value);
    }

    /** Sets a {@code ulong} by the index of the constant; the value has its bits. */
    public MlxFunctionConstants withUnsigned(int index, long value) {
        return with(null, index, FunctionConstant.Type.ULONG, value);
    }

    /** Sets a {@code ushort} by the index of the constant; the value has its bits. */
    public MlxFunctionConstants withUnsigned(int index, short value) {
        return with(null, index, FunctionConstant.Type.USHORT, value);
    }

    private MlxFunctionConstants with(@Nullable String name, int index, FunctionConstant.Type type, long bits) {
        if (name != null && (name.isEmpty() || name.indexOf('\0') >= 0)) {
            throw new IllegalArgumentException("a function constant has no name '" + name + "'");
        }
        if (index < 0 || index > Character.MAX_VALUE) {
            throw new IllegalArgumentException("the index of a function constant is from 0 to 65535, not " + index);
        }
        FunctionConstant constant = new FunctionConstant(name, index, type, bits);
        List<FunctionConstant> more = new ArrayList<>(values);
        more.removeIf(constant::isSame);
        more.add(constant);
        Collections.sort(more);
        return new MlxFunctionConstants(List.copyOf(more));
    }

    /** The values, in an order of their names alone. */
    List<FunctionConstant> values() {
        return values;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof MlxFunctionConstants constants && values.equals(constants.values);
    }

    @Override
    public int hashCode() {
        return values.hashCode();
    }

    /** For a debugger: the number of values. */
    @Override
    public String toString() {
        return "MlxFunctionConstants[" + values.size() + " values]";
    }
}
