package dev.mlxnative.bench.generate;

/** A model of a simulated program, which allocates its weights when it is created. */
interface Model {

    /** Runs the model once: on a batch, for a token, or for a step of an image. */
    void step();

    /** Frees all buffers. */
    void close();
}
