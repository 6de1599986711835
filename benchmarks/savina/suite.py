"""All programs, in the order of the paper: micro-benchmarks, concurrency, parallelism."""

from __future__ import annotations

from benchmarks.savina import (
    a_star,
    all_pairs,
    bank_transaction,
    big,
    bitonic_sort,
    bounded_buffer,
    chameneos,
    cigarette_smokers,
    cobwebbed_tree,
    concurrent_dictionary,
    counting,
    facility_location,
    filterbank,
    fork_join,
    logistic_map,
    matrix,
    n_queens,
    philosophers,
    pingpong,
    quicksort,
    radix_sort,
    relaxation,
    sieve,
    sleeping_barber,
    sorted_linked_list,
    thread_ring,
    trapezoid,
)
from benchmarks.savina.program import Program

PROGRAMS: dict[str, Program] = {
    program.name: program
    for program in (
        pingpong.PROGRAM,
        counting.PROGRAM,
        *fork_join.PROGRAMS,
        thread_ring.PROGRAM,
        chameneos.PROGRAM,
        big.PROGRAM,
        concurrent_dictionary.PROGRAM,
        sorted_linked_list.PROGRAM,
        bounded_buffer.PROGRAM,
        philosophers.PROGRAM,
        sleeping_barber.PROGRAM,
        cigarette_smokers.PROGRAM,
        logistic_map.PROGRAM,
        bank_transaction.PROGRAM,
        radix_sort.PROGRAM,
        filterbank.PROGRAM,
        cobwebbed_tree.PROGRAM,
        sieve.PROGRAM,
        facility_location.PROGRAM,
        trapezoid.PROGRAM,
        quicksort.PROGRAM,
        all_pairs.PROGRAM,
        relaxation.PROGRAM,
        a_star.PROGRAM,
        n_queens.PROGRAM,
        matrix.PROGRAM,
        bitonic_sort.PROGRAM,
    )
}
