-module(sieve).
-export([main/2, sieve/3]).

main(Limit, Room) ->
    First = spawn_link(?MODULE, sieve, [2, self(), Room]),
    [First ! Number || Number <- lists:seq(3, Limit - 1, 2)],
    First ! {stop, 0},
    receive Count -> Count end.

sieve(Number, Boss, Room) -> run(Number, Boss, Room, [], 0, none).

run({stop, Counted}, Boss, _, _, Count, none) -> Boss ! Counted + Count;
run({stop, Counted}, _, _, _, Count, Following) -> Following ! {stop, Counted + Count};
run(Number, Boss, Room, Primes, Count, Following) ->
    case is_multiple(Number, Primes) of
        true -> next(Boss, Room, Primes, Count, Following);
        false when Count < Room -> next(Boss, Room, Primes ++ [Number], Count + 1, Following);
        false when Following =:= none ->
            next(Boss, Room, Primes, Count, spawn_link(?MODULE, sieve, [Number, Boss, Room]));
        false -> Following ! Number, next(Boss, Room, Primes, Count, Following)
    end.

next(Boss, Room, Primes, Count, Following) ->
    receive Message -> run(Message, Boss, Room, Primes, Count, Following) end.

is_multiple(_, []) -> false;
is_multiple(Number, [Prime | _]) when Number rem Prime =:= 0 -> true;
is_multiple(Number, [_ | Primes]) -> is_multiple(Number, Primes).
