package dev.mlxnative;

/** What a device is made of. */
public enum Backend {
    /** A GPU through Apple's Metal. */
    METAL,

    /** Plain host memory with the same behaviour: for machines, containers and tests without Metal. */
    HOST
}
