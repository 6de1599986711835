-module(philosophers).
-export([main/2, philosopher/3]).

main(Philosophers, Rounds) ->
    Me = self(),
    [spawn_link(?MODULE, philosopher, [Seat, Me, Rounds]) || Seat <- lists:seq(0, Philosophers - 1)],
    arbitrate(Philosophers, Philosophers, #{}, 0).

philosopher(_, Arbitrator, 0) -> Arbitrator ! leave;
philosopher(Seat, Arbitrator, Rounds) ->
    eat(Seat, Arbitrator),
    Arbitrator ! {done, Seat},
    philosopher(Seat, Arbitrator, Rounds - 1).

eat(Seat, Arbitrator) ->
    Arbitrator ! {hungry, Seat, self()},
    receive
        eat -> ok;
        denied -> eat(Seat, Arbitrator)
    end.

arbitrate(0, _, Taken, Meals) -> [Meals, map_size(Taken)];
arbitrate(Seated, Philosophers, Taken, Meals) ->
    receive
        {hungry, Seat, Pid} ->
            Right = (Seat + 1) rem Philosophers,
            case is_map_key(Seat, Taken) orelse is_map_key(Right, Taken) of
                true -> Pid ! denied, arbitrate(Seated, Philosophers, Taken, Meals);
                false -> Pid ! eat, arbitrate(Seated, Philosophers, Taken#{Seat => 1, Right => 1}, Meals + 1)
            end;
        {done, Seat} ->
            Right = (Seat + 1) rem Philosophers,
            arbitrate(Seated, Philosophers, maps:without([Seat, Right], Taken), Meals);
        leave -> arbitrate(Seated - 1, Philosophers, Taken, Meals)
    end.
