package dev.mlxnative.bench.replay;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import net.razorvine.pickle.Opcodes;
import net.razorvine.pickle.PickleException;
import net.razorvine.pickle.Unpickler;
import org.jspecify.annotations.Nullable;

/**
 * Reads pickles of dictionaries, lists, tuples, strings and numbers, and refuses all others.
 *
 * <p>A pickle is a program that can create objects and call functions. This class runs none of the instructions for
 * that, so a file of unknown origin is as harmless as JSON. Its input must tell by {@code available} how many bytes are
 * left.
 */
final class PlainUnpickler extends Unpickler {

    @Override
    protected @Nullable Object dispatch(short opcode) throws IOException {
        switch (opcode) {
            case Opcodes.SETITEM -> {
                Object value = stack.pop();
                put(stack.pop(), value);
            }
            case Opcodes.SETITEMS -> {
                List<Object> items = stack.pop_all_since_marker();
                for (int i = 0; i < items.size(); i += 2) {
                    put(items.get(i), items.get(i + 1));
                }
            }
            case Opcodes.BINUNICODE -> {
                requireBytes(Integer.BYTES);
                return super.dispatch(opcode);
            }
            case Opcodes.BINUNICODE8 -> {
                requireBytes(Long.BYTES);
                return super.dispatch(opcode);
            }
            case Opcodes.PROTO,
                    Opcodes.FRAME,
                    Opcodes.STOP,
                    Opcodes.MARK,
                    Opcodes.NONE,
                    Opcodes.NEWTRUE,
                    Opcodes.NEWFALSE,
                    Opcodes.BININT,
                    Opcodes.BININT1,
                    Opcodes.BININT2,
                    Opcodes.LONG1,
                    Opcodes.BINFLOAT,
                    Opcodes.SHORT_BINUNICODE,
                    Opcodes.EMPTY_LIST,
                    Opcodes.APPEND,
                    Opcodes.APPENDS,
                    Opcodes.EMPTY_DICT,
                    Opcodes.EMPTY_TUPLE,
                    Opcodes.TUPLE1,
                    Opcodes.TUPLE2,
                    Opcodes.TUPLE3,
                    Opcodes.TUPLE,
                    Opcodes.MEMOIZE,
                    Opcodes.BINPUT,
                    Opcodes.LONG_BINPUT,
                    Opcodes.BINGET,
                    Opcodes.LONG_BINGET -> {
                return super.dispatch(opcode);
            }
            default ->
                throw new PickleException(
                        "instruction 0x%02x, which a memory snapshot does not need".formatted(opcode));
        }
        return NO_RETURN_VALUE;
    }

    /**
     * Adds to the dictionary on top of the stack. A key whose hash code depends on other objects could take for ever.
     */
    private void put(Object key, Object value) {
        if (!(key instanceof String) && !(key instanceof Number)) {
            throw new PickleException("a key that is neither a string nor a number");
        }
        @SuppressWarnings("unchecked")
        var dictionary = (Map<Object, Object>) stack.peek();
        dictionary.put(key, value);
    }

    /** Requires as many bytes as the next {@code width} bytes say, so that a wrong length does not exhaust the heap. */
    private void requireBytes(int width) throws IOException {
        input.mark(width);
        byte[] number = input.readNBytes(width);
        input.reset();
        long length = 0;
        for (int i = number.length - 1; i >= 0; i--) {
            length = length << Byte.SIZE | number[i] & 0xff;
        }
        if (length < 0 || length > input.available()) {
            throw new PickleException(
                    "a string of %d bytes, but the file has %d more".formatted(length, input.available()));
        }
    }
}
