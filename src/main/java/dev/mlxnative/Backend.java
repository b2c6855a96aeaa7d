package dev.mlxnative;

/** The kind of memory and GPU behind a device. */
public enum Backend {
    /** A GPU through Apple's Metal. */
    METAL,

    /** Host memory with the same behaviour, for machines, containers and tests without Metal. */
    HOST
}
