package dev.mlxnative.bench.soak;

import java.util.ArrayList;
import java.util.List;

/** The unexpected exceptions of all threads. The first one ends the soak. */
final class Errors {

    private final List<Throwable> errors = new ArrayList<>();
    private volatile boolean any;

    synchronized void add(Throwable error) {
        errors.add(error);
        any = true;
    }

    boolean any() {
        return any;
    }

    synchronized List<Throwable> all() {
        return List.copyOf(errors);
    }
}
