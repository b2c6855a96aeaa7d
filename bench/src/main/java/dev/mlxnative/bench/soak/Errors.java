package dev.mlxnative.bench.soak;

import java.util.ArrayList;
import java.util.List;

/** The unexpected exceptions of all threads. The first one ends the soak. */
final class Errors {

    /** The list has room from the start, because the heap may be full. */
    private static final int ROOM = 100;

    private final List<Throwable> errors = new ArrayList<>(ROOM);
    private volatile boolean any;

    synchronized void add(Throwable error) {
        any = true;
        errors.add(error);
    }

    boolean any() {
        return any;
    }

    synchronized List<Throwable> all() {
        return List.copyOf(errors);
    }
}
