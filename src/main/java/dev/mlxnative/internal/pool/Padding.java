package dev.mlxnative.internal.pool;

/**
 * 128 unused bytes before the fields of a subclass. They keep these fields out of the cache line of another object: a
 * line has 128 bytes on Apple silicon.
 */
abstract class Padding {
    long p0;
    long p1;
    long p2;
    long p3;
    long p4;
    long p5;
    long p6;
    long p7;
    long p8;
    long p9;
    long p10;
    long p11;
    long p12;
    long p13;
    long p14;
    long p15;
}
