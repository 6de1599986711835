%% The pseudo-random numbers and the checksum of benchmarks/savina/program.py.
-module(lehmer).
-export([seed/1, next/1, take/2, checksum/1]).

seed(Seed) -> Seed rem 16#7FFFFFFE + 1.

next(State) -> State * 48271 rem 16#7FFFFFFF.

take(0, _) -> [];
take(Count, State) ->
    Next = next(State),
    [Next | take(Count - 1, Next)].

checksum(Values) -> checksum(Values, 1, 0).

checksum([], _, Sum) -> Sum;
checksum([Value | Values], Place, Sum) -> checksum(Values, Place + 1, Sum + Place * Value).
